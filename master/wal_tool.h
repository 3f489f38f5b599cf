/* master/wal_tool.h - skepctl wal: looks at the log's files, repairs them, prints them.
 * Owner     skepctl.
 * Locks     repair holds the log's lock, so that no server writes meanwhile; the others only read.
 * Crash     what cannot be used is copied or moved aside before anything is cut.
 * Survives  the files do.
 * Fails     says why on standard error; nothing has been changed then.
 * Tests     tests/crash/wal_tool.py */
#ifndef SKEP_WAL_TOOL_H
#define SKEP_WAL_TOOL_H

extern const char wal_tool_usage[];

/* argv: what follows "wal" on the command line. The exit status: 0 sound, 1 it could not be done, 2 the end is torn,
 * 3 damaged. */
int wal_tool(int argc, char **argv);

#endif
