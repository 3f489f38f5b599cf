# enable-debug-command no, the default: DEBUG is refused.
@config --enable-debug-command no
DEBUG SLEEP 0
@type
DEBUG HELP
DEBUG
debug object k
