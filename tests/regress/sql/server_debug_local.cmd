# enable-debug-command local: from the loopback it works.
@config --enable-debug-command local
DEBUG SLEEP 0
DEBUG SET-ACTIVE-EXPIRE 1
