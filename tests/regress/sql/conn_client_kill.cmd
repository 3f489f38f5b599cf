# CLIENT KILL
@conn victim
CLIENT SETNAME victim
@save id
CLIENT ID
@conn main
CLIENT KILL ID %{id}
CLIENT KILL ID %{id}
@conn victim
@expect-close
@conn v2
@save id2
CLIENT ID
@conn v3
@save id3
CLIENT ID
@conn main
@save me
CLIENT ID
CLIENT KILL ID %{me}
PING
CLIENT KILL TYPE pubsub
CLIENT KILL TYPE master
CLIENT KILL TYPE replica
CLIENT KILL USER default ID %{id2}
CLIENT KILL USER nosuch
CLIENT KILL ADDR 127.0.0.1:1
CLIENT KILL LADDR 127.0.0.1:1
CLIENT KILL 127.0.0.1:1
CLIENT KILL bogus
CLIENT KILL ID 0
CLIENT KILL ID -1
CLIENT KILL ID abc
CLIENT KILL TYPE bogus
CLIENT KILL SKIPME maybe
CLIENT KILL BOGUS x
CLIENT KILL ID
CLIENT KILL ID 1 TYPE
CLIENT KILL
CLIENT KILL ID %{id3} SKIPME yes TYPE normal
@conn v2
@expect-close
@conn v3
@expect-close
@conn v4
PING
@conn main
@until
@match \A[^\n]*\n[^\n]*\n\Z
CLIENT LIST
CLIENT KILL TYPE normal SKIPME yes
@conn v4
@expect-close
@conn main
PING
CLIENT KILL ID %{me} SKIPME no
@expect-close
PING
@save addr
@match nothing
CLIENT ID
@conn v5
PING
@conn main
CLIENT KILL SKIPME no
@expect-close
@conn v5
@expect-close
# the first fault is told, also before a name without a value
CLIENT KILL USER nobody ID
CLIENT KILL ID x TYPE
CLIENT KILL ID 0 TYPE
CLIENT KILL TYPE nothing ID
CLIENT KILL nothing 1 ID
CLIENT KILL TYPE normal ID
