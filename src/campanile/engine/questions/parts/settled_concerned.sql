-- Events of the targets; with `bounded`, only those of users who have some above the sequence `since`.
campaign_id IN {campaigns:Array(String)}
    AND ({bounded:UInt8} = 0 OR user_key IN (
        SELECT user_key FROM {{raw_events}}
        WHERE {bounded:UInt8} = 1 AND campaign_id IN {campaigns:Array(String)} AND sequence > {since:UInt64}))
