"""The database keeps the ledger: nobody else can number an entry, move a balance, or change what was booked.

* Before an entry goes in, its account row is locked and gives it `sequence` and `balance_minor` (and the clock gives it
  `recorded_at`), whatever the statement said: no two entries can take the same number, whoever inserts them.
* After it went in, the account repeats its numbers. After and not before: an entry that ON CONFLICT DO NOTHING skips
  must not move the balance. Two entries of one account therefore need two statements; one statement is refused.
* UPDATE, DELETE and TRUNCATE of entries are refused. A test database that is emptied between tests says so by the
  setting payouts.ledger_may_be_emptied, which allows TRUNCATE and nothing else.
* An account starts empty, keeps whose it is, and its balance moves only from inside the entries' trigger.
* Courier companies take what they are owed themselves (SPEC C6): a payout of their accounts is refused.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION payouts_number_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT entries + 1, balance_minor + NEW.amount_minor, clock_timestamp()
    INTO NEW.sequence, NEW.balance_minor, NEW.recorded_at
    FROM payouts_ledgeraccount WHERE id = NEW.account_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('no ledger account %s', NEW.account_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER number_entry BEFORE INSERT ON payouts_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION payouts_number_entry();

CREATE FUNCTION payouts_balance_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE payouts_ledgeraccount SET entries = NEW.sequence, balance_minor = NEW.balance_minor
    WHERE id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER balance_account AFTER INSERT ON payouts_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION payouts_balance_account();

CREATE FUNCTION payouts_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('payouts.ledger_may_be_emptied', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE integrity_constraint_violation USING
        MESSAGE = format('the ledger is append-only: no %s of %s', TG_OP, TG_TABLE_NAME),
        HINT = 'Book a correcting entry.';
END $$;
CREATE TRIGGER keep_entry BEFORE UPDATE OR DELETE ON payouts_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse();
CREATE TRIGGER keep_entries BEFORE TRUNCATE ON payouts_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse();
CREATE TRIGGER keep_accounts BEFORE TRUNCATE ON payouts_ledgeraccount
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse();

CREATE FUNCTION payouts_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance_minor <> 0 OR NEW.entries <> 0 THEN
            RAISE integrity_constraint_violation USING MESSAGE = 'a ledger account starts empty';
        END IF;
    ELSE
        IF (NEW.id, NEW.payee_kind, NEW.payee_id, NEW.kind, NEW.currency)
            IS DISTINCT FROM (OLD.id, OLD.payee_kind, OLD.payee_id, OLD.kind, OLD.currency) THEN
            RAISE integrity_constraint_violation USING
                MESSAGE = format('ledger account %s keeps whose it is', OLD.id);
        END IF;
        -- Depth 1 is an UPDATE by a client; the entries' trigger updates at depth 1, which makes this one 2.
        IF (NEW.balance_minor, NEW.entries) IS DISTINCT FROM (OLD.balance_minor, OLD.entries)
            AND pg_trigger_depth() < 2 THEN
            RAISE integrity_constraint_violation USING
                MESSAGE = format('only entries move the balance of ledger account %s', OLD.id);
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_account BEFORE INSERT OR UPDATE ON payouts_ledgeraccount
    FOR EACH ROW EXECUTE FUNCTION payouts_guard_account();

CREATE FUNCTION payouts_push_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts_ledgeraccount WHERE id = NEW.account_id AND payee_kind = 'provider') THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = format('no payout of ledger account %s: courier companies are not paid by transfer', NEW.account_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER push_nothing BEFORE INSERT OR UPDATE OF account_id ON payouts_payout
    FOR EACH ROW EXECUTE FUNCTION payouts_push_nothing();
"""

BACKWARD = """
DROP TRIGGER push_nothing ON payouts_payout;
DROP FUNCTION payouts_push_nothing();

DROP TRIGGER guard_account ON payouts_ledgeraccount;
DROP TRIGGER keep_accounts ON payouts_ledgeraccount;
DROP TRIGGER keep_entries ON payouts_ledgerentry;
DROP TRIGGER keep_entry ON payouts_ledgerentry;
DROP TRIGGER balance_account ON payouts_ledgerentry;
DROP TRIGGER number_entry ON payouts_ledgerentry;
DROP FUNCTION payouts_guard_account();
DROP FUNCTION payouts_refuse();
DROP FUNCTION payouts_balance_account();
DROP FUNCTION payouts_number_entry();
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
