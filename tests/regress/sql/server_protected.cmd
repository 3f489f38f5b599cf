# protected-mode does not concern the loopback.
@config --protected-mode yes
PING
CONFIG GET protected-mode
CONFIG SET protected-mode no
CONFIG GET protected-mode
CONFIG SET protected-mode maybe
