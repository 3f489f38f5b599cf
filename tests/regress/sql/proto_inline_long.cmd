# An inline request may not be longer than 64 kB.
@raw "ECHO %{x*60000}\r\n"
@raw-until-close "%{x*70000}"
@raw-until-close "ECHO %{x*65600}"
PING
