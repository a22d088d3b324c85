"""Versions of texts are append-only: only what Meta says of one may change, whoever writes the statement."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION notifications_keep_text_override() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (
        NEW.id, NEW.event, NEW.channel, NEW.language, NEW.version, NEW.withdrawn, NEW.title, NEW.body, NEW.note,
        NEW.registered_as, NEW.created_by_id, NEW.created_at
    ) IS NOT DISTINCT FROM (
        OLD.id, OLD.event, OLD.channel, OLD.language, OLD.version, OLD.withdrawn, OLD.title, OLD.body, OLD.note,
        OLD.registered_as, OLD.created_by_id, OLD.created_at
    ) THEN
        RETURN NEW;
    END IF;
    RAISE integrity_constraint_violation USING
        MESSAGE = format('versions of texts are append-only: no %s of %s', TG_OP, OLD.id),
        HINT = 'Write a new version.';
END $$;
CREATE TRIGGER keep_text_override BEFORE UPDATE OR DELETE ON notifications_textoverride
    FOR EACH ROW EXECUTE FUNCTION notifications_keep_text_override();
"""

BACKWARD = """
DROP TRIGGER keep_text_override ON notifications_textoverride;
DROP FUNCTION notifications_keep_text_override();
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
