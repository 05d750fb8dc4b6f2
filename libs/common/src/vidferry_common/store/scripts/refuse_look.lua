-- A site has refused a look, which no pause holds up: pauses the site.
-- args: site, credential, way (out), code, sentence, first_ms, longest_ms, asked_ms, record_seconds, all as refuse.lua takes them
local args = cjson.decode(ARGV[1])
define_pauses()
allow_writes(keys.ROOM)
pauses.begin(pauses.key_of(args.site, args.credential, args.way), args, false, true)
