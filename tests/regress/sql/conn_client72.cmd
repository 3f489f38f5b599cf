@redis 7.2
# What 7.2 brought: CLIENT SETINFO, CLIENT NO-TOUCH
CLIENT SETINFO lib-name mylib
CLIENT SETINFO LIB-VER 1.2.3
@match  resp=2 lib-name=mylib lib-ver=1\.2\.3
CLIENT INFO
CLIENT SETINFO lib-name "a b"
CLIENT SETINFO lib-ver "a\nb"
CLIENT SETINFO bogus x
CLIENT SETINFO lib-name
CLIENT SETINFO
CLIENT SETINFO lib-name a b
CLIENT SETINFO lib-name ""
@match  lib-name= lib-ver=1\.2\.3
CLIENT INFO
RESET
@match  lib-name= lib-ver=1\.2\.3
CLIENT INFO
CLIENT NO-TOUCH ON
@match  flags=T 
CLIENT INFO
CLIENT NO-TOUCH off
@match  flags=N 
CLIENT INFO
CLIENT NO-TOUCH maybe
CLIENT NO-TOUCH
CLIENT NO-TOUCH on off
CLIENT NO-TOUCH ON
CLIENT NO-EVICT ON
RESET
@match  flags=N 
CLIENT INFO
