"""Rate limits are counters of seconds: not written ahead, and updated in place."""

from django.db import migrations

FORWARD = """
ALTER TABLE foundation_ratelimit SET UNLOGGED, SET (fillfactor = 50);
"""

BACKWARD = """
ALTER TABLE foundation_ratelimit SET LOGGED, RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("foundation", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
