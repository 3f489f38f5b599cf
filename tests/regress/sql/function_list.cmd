# FUNCTION LIST
FUNCTION LIST
FUNCTION LOAD "#!lua name=one\nredis.register_function{function_name='all', callback=function() end, flags={'allow-cross-slot-keys','no-cluster','allow-stale','allow-oom','no-writes'}, description='what it does'}"
FUNCTION LIST
FUNCTION LIST WITHCODE
FUNCTION LIST LIBRARYNAME
FUNCTION LIST LIBRARYNAME one LIBRARYNAME two
FUNCTION LIST WITHCODE WITHCODE
FUNCTION LIST foo
FUNCTION LIST LIBRARYNAME zzz
FUNCTION LIST LIBRARYNAME WITHCODE
FUNCTION LIST libraryname O?E withcode
FUNCTION LIST withcode libraryname *
FUNCTION LIST LIBRARYNAME "on[a-f]"
FUNCTION LOAD "#!lua name=two\nredis.register_function{function_name='empty', callback=function() end, flags={}, description=''}"
FUNCTION LIST LIBRARYNAME two
@resp 3
FUNCTION LIST LIBRARYNAME one
FUNCTION LIST LIBRARYNAME two WITHCODE
FUNCTION LIST LIBRARYNAME x
@resp 2
@sort
FUNCTION LIST LIBRARYNAME *
