"""Lists of campaigns: search, filters, orders and pages over rows made for them."""
