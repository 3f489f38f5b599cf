# GEOADD, GEOPOS, GEOHASH, GEODIST
GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOADD s 13.361389 38.115556 Palermo
GEOADD s CH 13.5 38.2 Palermo
GEOADD s NX 1 1 Palermo 2 2 fresh
GEOADD s XX CH 13.361389 38.115556 Palermo 3 3 nosuch
GEOADD s XX NX 1 1 a
GEOADD s 1 1
GEOADD s NX CH 1
GEOADD s 1 1 a 2
GEOADD s NX CH XX
GEOADD s 181 1 a
GEOADD s 1 86 a
GEOADD s -180.0001 1 a
GEOADD s x 1 a
GEOADD s 1 x a
GEOADD s 1 1 ok 200 1 bad
GEOADD edge 180 85.05112878 ne -180 -85.05112878 sw 0 0 zero -0 -0 mzero 179.999999 -85.05 se
GEOPOS edge ne sw zero se
GEOHASH edge ne sw zero se mzero
ZRANGE edge 0 -1 WITHSCORES
ZSCORE s Palermo
GEOPOS s Palermo nosuch Catania
GEOPOS s
GEOPOS nosuch a b
GEOHASH s Palermo nosuch Catania
GEOHASH s
GEOHASH nosuch a
GEODIST s Palermo Catania
GEODIST s Palermo Catania m
GEODIST s Palermo Catania KM
GEODIST s Palermo Catania ft
GEODIST s Palermo Catania mi
GEODIST s Palermo Catania x
GEODIST s Palermo Catania m m
GEODIST s Palermo Palermo
GEODIST s Palermo nosuch
GEODIST nosuch a b
GEODIST nosuch a b x
GEODIST edge ne sw km
ZADD odd 1 one 1e18 large inf infinite 4503599627370495 most
GEOPOS odd one large most
OBJECT ENCODING s
TYPE s
SET str v
GEOADD str 1 1 a
GEOPOS str a
GEOHASH str a
GEODIST str a b
GEOSEARCH str FROMLONLAT 1 1 BYRADIUS 1 m
GEORADIUS str 1 1 1 m
GEORADIUSBYMEMBER str a 1 m
GEOSEARCHSTORE d str FROMLONLAT 1 1 BYRADIUS 1 m
@resp 3
GEOPOS s Palermo nosuch
GEOHASH s Palermo nosuch
GEODIST s Palermo Catania
GEODIST s Palermo nosuch
GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST WITHHASH WITHCOORD
