transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0)) AS member
