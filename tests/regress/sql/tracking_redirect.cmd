# REDIRECT: to a RESP2 client that subscribes, or to one in RESP3.
@conn r
@save r
CLIENT ID
@send SUBSCRIBE __redis__:invalidate
@recv
@conn c
CLIENT TRACKING ON REDIRECT %{r}
GET a
GET b
@conn main
SET a 1
@conn r
@recv
@conn main
FLUSHALL
@conn r
@recv
@conn c
SET a 1
GET a
SET a 2
@conn r
@recv
@conn c
PING
CLIENT TRACKING OFF
CLIENT TRACKING ON BCAST PREFIX p REDIRECT %{r}
@conn main
MSET p1 1 p2 2 q 3
@conn r
@recv
PING
# whatever it subscribes to
@send SUBSCRIBE other
@recv
@send UNSUBSCRIBE __redis__:invalidate
@recv
@conn main
SET p1 1
@conn r
@recv
@send UNSUBSCRIBE other
@recv
@conn main
SET p1 1
@conn r
PING
@resp 3
@conn main
SET p1 2
@conn r
@recv
# it goes
@sub /^(2> ):[0-9]+$/\1:N/
@conn c
@resp 3
CLIENT TRACKING OFF
CLIENT TRACKING ON REDIRECT %{r}
GET a
GET b
@conn r
@close
@conn main
SELECT 0
@until ""
CLIENT LIST ID %{r}
@conn main
SET a 1
@conn c
@recv
@match redir=[1-9]
CLIENT INFO
@match flags=tR 
CLIENT INFO
@pick 1
CLIENT TRACKINGINFO
@pick 0.1
CLIENT TRACKINGINFO
@conn main
SET b 1
@conn c
@recv
CLIENT TRACKING ON
CLIENT TRACKINGINFO
@match flags=t .*redir=0
CLIENT INFO
GET a
@conn main
SET a 1
@conn c
@recv
