-- The cell and day of an event as `covered` spells them.
concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t', toString(day_start))
