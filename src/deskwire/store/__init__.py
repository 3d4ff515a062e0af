"""The database: tables, transactions, and the queries by noun; takes and gives core values."""
