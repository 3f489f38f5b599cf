# the output limit is looked at within a batch of commands, not only behind it
CONFIG SET client-output-buffer-limit "normal 200000 0 0"
SET k "%{v*60000}"
CONFIG RESETSTAT
@conn reader
@raw-until-close "%{GET k\r\n*12}"
@conn main
@match cmdstat_get:calls=4,
INFO commandstats
