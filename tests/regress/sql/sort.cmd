# SORT SORT_RO
RPUSH l 3 1 10 2 -5 1.5
SORT l
SORT l DESC
SORT l ALPHA
SORT l ALPHA DESC
SORT l LIMIT 1 2
SORT l LIMIT 0 0
SORT l LIMIT -3 2
SORT l LIMIT 4 100
SORT l LIMIT 2 -1
SORT l LIMIT 100 1
SORT l desc limit 1 3
SORT_RO l
SORT_RO l DESC LIMIT 0 2
SORT_RO l STORE d
SORT nosuch
SORT nosuch STORE d
SET s v
SORT s
SORT_RO s
SORT s STORE d
RPUSH w b a c
SORT w
SORT w ALPHA
SORT w ALPHA STORE d
LRANGE d 0 -1
TYPE d
SADD set 5 3 9 1
SORT set
SORT set DESC LIMIT 1 2
SADD names carl anna bob
SORT names ALPHA
SORT names BY nosort STORE d
LRANGE d 0 -1
ZADD z 3 a 1 c 2 b
SORT z ALPHA
SORT z BY nosort
SORT z BY nosort DESC
SORT z BY nosort LIMIT 1 1
SORT z BY nosort DESC LIMIT 0 2
SORT z BY nosort DESC LIMIT 5 2
SORT z
SORT l BY nosort
SORT l BY nosort DESC
SORT l BY nosort LIMIT 1 3
SORT l BY nosort DESC LIMIT 1 3
SORT l BY nosort LIMIT 9 3

# patterns
RPUSH ids 1 2 3 4
MSET w_1 30 w_2 10 w_3 20 d_1 one d_2 two d_3 three
SORT ids BY w_*
SORT ids BY w_* DESC
SORT ids BY w_* GET d_*
SORT ids BY w_* GET # GET d_* GET nosuch GET w_*x
SORT ids BY d_* ALPHA
SORT ids BY d_* ALPHA DESC
SORT ids BY d_*
SORT ids BY w_* LIMIT 1 2 GET #
SORT ids BY nosort GET d_*
SORT_RO ids BY w_* GET d_*
HSET h_1 age 7 name ann
HSET h_2 age 5 name bob
HSET h_3 age 9
SORT ids BY h_*->age GET h_*->name GET h_*->nosuch GET #
SORT ids BY h_*->name ALPHA
SORT ids GET h_*
SORT ids GET d_*->x
SORT ids GET h_*->
SORT ids BY w_* GET d_* STORE d
LRANGE d 0 -1
SORT ids BY w_* STORE ids
LRANGE ids 0 -1
EXPIRE d 100
SORT ids STORE d
TTL d
SORT nosuch STORE d
EXISTS d
SORT ids LIMIT 9 9 STORE d
EXISTS d
SET d v
SORT ids DESC STORE d
LRANGE d 0 -1
SORT ids BY store STORE d
SORT ids GET store STORE d
LRANGE d 0 -1
SET gone v PX 1
@sleep 20
SORT ids GET gon*
RPUSH one e
SORT one GET gon* ALPHA
RPUSH sub a->b
SET x_a->b found
SORT sub GET x_* ALPHA
SORT sub ALPHA GET *
RPUSH ties x1 x2 x3
SORT ties BY nosuch_* ALPHA
SORT ties BY nosuch_*
SORT ties BY nosuch_* DESC
RPUSH nan nan 1
SORT nan
RPUSH inf inf -inf 1 0x10 1e3
SORT inf
RPUSH blank "" 1
SORT blank
SORT blank ALPHA

# arguments
SORT
SORT l NOW
SORT l LIMIT 1
SORT l LIMIT a 1
SORT l LIMIT 1 a
SORT l BY
SORT l GET
SORT l STORE
SORT s NOW
COMMAND GETKEYS SORT l
COMMAND GETKEYS SORT l BY w_* GET d_* STORE d
COMMAND GETKEYS SORT l BY store
COMMAND GETKEYS SORT l STORE a STORE b
COMMAND GETKEYS SORT l LIMIT store store STORE b
COMMAND GETKEYS SORT_RO l BY w_*
