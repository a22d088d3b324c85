"""The customer's page of one order (SPEC T3): what it shows, its forms, and who may watch it live."""
