"""Courier companies take what they are owed themselves (SPEC C6): the database refuses a payout of their accounts."""

from django.db import migrations

FORWARD = """
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
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0003_courier_invoices")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
