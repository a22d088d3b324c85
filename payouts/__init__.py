"""Money owed and sent: ledger, connected accounts, payouts."""
