# DUMP
DUMP
DUMP a b
DUMP nosuch
SET k 0
DUMP k
SET k 5
DUMP k
SET k -5
DUMP k
SET k 127
DUMP k
SET k 128
DUMP k
SET k -128
DUMP k
SET k -129
DUMP k
SET k 32767
DUMP k
SET k 32768
DUMP k
SET k 2147483647
DUMP k
SET k 2147483648
DUMP k
SET k -2147483648
DUMP k
SET k -2147483649
DUMP k
SET k 9223372036854775807
DUMP k
SET k 007
DUMP k
SET k -0
DUMP k
SET k ""
DUMP k
SET k hello
DUMP k
SET k abcabcabcabcabcabcabcabcabcabc!
DUMP k
SET k aaaaaaaaaaaaaaaaaaaa
DUMP k
SET k aaaaaaaaaaaaaaaaaaaaa
DUMP k
SET k %{x*63}
DUMP k
SET k %{x*64}
DUMP k
SET k %{x*100}
DUMP k
SET k %{xyz*5000}
DUMP k
SET k "\x00\xff\r\n"
DUMP k

# neither the key nor its expiry is in it
SET another hello EX 1000
DUMP another
DUMP gone
SET gone v PX 1
@sleep 20
DUMP gone

# a value that was not set as a whole
APPEND n 12
APPEND n 34
DUMP n
SETRANGE r 10 x
DUMP r
INCRBY n 1
DUMP n

# round trips
SET k 12
@save p
DUMP k
RESTORE copy 0 "%{p}" REPLACE
STRLEN copy
LCS k copy LEN
SET k hello
@save p
DUMP k
RESTORE copy 0 "%{p}" REPLACE
STRLEN copy
LCS k copy LEN
SET k %{abc*100000}
@save p
DUMP k
RESTORE copy 0 "%{p}" REPLACE
STRLEN copy
GETRANGE copy 299990 -1

# without compression
CONFIG SET rdbcompression no
SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
DUMP k
CONFIG SET rdbcompression yes
DUMP k
