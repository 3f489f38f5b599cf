# databases sets how many there are.
@config --databases 3
CONFIG GET databases
SELECT 2
SELECT 3
SWAPDB 0 3
SWAPDB 0 2
SET k v
MOVE k 3
COPY k k2 DB 3
MOVE k 1
SELECT 1
GET k
CONFIG SET databases 5
