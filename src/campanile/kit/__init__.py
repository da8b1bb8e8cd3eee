"""Small tools without knowledge of this product: time ranges, hashes."""
