# loglevel has a fifth word since 7.2
@redis 7.2
CONFIG SET loglevel loud
CONFIG SET loglevel nothing
CONFIG GET loglevel
CONFIG SET loglevel NOTICE
CONFIG GET loglevel
