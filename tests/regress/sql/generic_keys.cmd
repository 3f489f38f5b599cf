# KEYS and its patterns
KEYS *
MSET one 1 two 2 three 3 four 4
@sort
KEYS *
@sort
KEYS t*
@sort
KEYS ?wo
@sort
KEYS *o*
KEYS one
KEYS ONE
KEYS nosuch
@sort
KEYS [ot]*
@sort
KEYS [^t]*
@sort
KEYS [a-f]*
@sort
KEYS [f-a]*
@sort
KEYS **
@sort
KEYS t??
KEYS ""
FLUSHALL
MSET a*b 1 a?b 2 a[b 3 a\b 4 axb 5 "a\nb" 6 "a\x00b" 7 [x] 8 "" 9 a^b 10 a-b 11
@sort
KEYS a?b
@sort
KEYS a\*b
@sort
KEYS a\?b
@sort
KEYS "a\\[b"
@sort
KEYS "a\\\\b"
@sort
KEYS "a[*]b"
@sort
KEYS "a[]b"
@sort
KEYS "a[b"
@sort
KEYS "a[^a-z]b"
@sort
KEYS "a[\\^x]b"
@sort
KEYS "a[x-]b"
@sort
KEYS "\\[x\\]"
KEYS "a\x00b"
@sort
KEYS "a[\\]]b"
@sort
KEYS "a[+--]b"
@sort
KEYS "a\\"
KEYS
KEYS a b
SET gone v PX 1
@sleep 20
KEYS g*
FLUSHALL
SET aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1
KEYS a*a*a*a*a*a*a*a*a*b
KEYS a*a*a*a*a
