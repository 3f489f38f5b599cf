# CLIENT: ID, names, INFO, LIST
@type
CLIENT ID
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "with blank"
CLIENT SETNAME "new\nline"
CLIENT SETNAME "\xc3\xa9"
CLIENT SETNAME "a\x7f"
CLIENT SETNAME "a~!"
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT SETNAME
CLIENT SETNAME a b
CLIENT GETNAME x
CLIENT ID x
CLIENT INFO x
CLIENT SETNAME info-me
@match ^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=-?\d+ name=info-me age=\d+ idle=\d+ flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=\d+ qbuf-free=\d+ argv-mem=\d+ multi-mem=0 rbs=\d+ rbp=\d+ obl=0 oll=0 omem=0 tot-mem=\d+ events=r cmd=client\|info user=default redir=-1 resp=2
CLIENT INFO
SELECT 3
@match  db=3 
CLIENT INFO
SELECT 0
@match  cmd=client\|list 
CLIENT LIST
@match  resp=2
CLIENT LIST

# LIST with filters
@conn other
CLIENT SETNAME other-one
@save oid
CLIENT ID
@conn main
@save mid
CLIENT ID
@match ^id=\d+ .*name=other-one [^\n]*\n$
CLIENT LIST ID %{oid}
@match name=info-me [^\n]*\n.*name=other-one|name=other-one [^\n]*\n.*name=info-me
CLIENT LIST ID %{oid} %{mid}
CLIENT LIST ID 999999999
@match name=other-one
CLIENT LIST TYPE normal
@match name=other-one
CLIENT LIST type NORMAL
CLIENT LIST TYPE master
CLIENT LIST TYPE replica
CLIENT LIST TYPE slave
CLIENT LIST TYPE pubsub
CLIENT LIST TYPE bogus
CLIENT LIST TYPE
CLIENT LIST ID
CLIENT LIST ID abc
CLIENT LIST ID 0
CLIENT LIST ID -1
CLIENT LIST BOGUS
CLIENT LIST TYPE normal ID 1
@match name=other-one .* cmd=client\|id
CLIENT LIST ID %{oid}
@resp 3
@type
CLIENT LIST
@type
CLIENT INFO
CLIENT GETNAME
@resp 2

# NO-EVICT and the rest
CLIENT NO-EVICT on
@match flags=e 
CLIENT INFO
CLIENT NO-EVICT OFF
@match flags=N 
CLIENT INFO
CLIENT NO-EVICT maybe
CLIENT NO-EVICT
@type
CLIENT HELP
CLIENT
CLIENT BOGUS
CLIENT BOGUS a b
CLIENT HELP x
