# proto-max-bulk-len bounds what APPEND and SETRANGE may make.
@config --proto-max-bulk-len 1048576
SET k %{a*1048576}
STRLEN k
APPEND k b
SETRANGE k 1048576 b
SETRANGE k 1048575 b
SETRANGE new 1048577 x
SETRANGE new 1048576 x
STRLEN new
STRLEN k
GETRANGE k -3 -1
@raw-until-close "*2\r\n$3\r\nGET\r\n$1048577\r\n"
CONFIG GET proto-max-bulk-len
CONFIG SET proto-max-bulk-len 1000
CONFIG SET proto-max-bulk-len 2mb
CONFIG GET proto-max-bulk-len
APPEND k b
STRLEN k
