# Unknown commands, as they are told
NOSUCH
nosuch a
nosuch a b c
NOSUCH "with \"quotes\"" 'single'
NOSUCH "new\r\nline"
"" a
" "
"no such"
NOSUCH %{x*200}
NOSUCH a %{y*200} b
%{z*300} a
NOSUCH %{x*100} %{y*100} c
NOSUCH "\x00\xff"
"a\x00b"
CLIENT NOSUCH
CONFIG nosuch
COMMAND nosuch x
"CONFIG|GET" save
"client|id"
OBJECT %{x*200}
NOSUCH '' ''
