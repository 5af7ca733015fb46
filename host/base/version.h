/* The version of gsos, as --version prints it and as it is recorded in studies and networks. */
#ifndef GSOS_VERSION_H
#define GSOS_VERSION_H

#define GSOS_VERSION "0.1.0"

/* Raised whenever the same ini file and the same data give other numbers than before.  A study is
 * made by one of them: a run that was begun by another does not go on without --accept-change. */
#define GSOS_HISTORY_VERSION 6

#endif
