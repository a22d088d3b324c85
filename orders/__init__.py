"""What is bought: stores, customers, orders, payments, refunds, the kitchen's POS."""
