/* The version of gsos, as --version prints it and as it is recorded in studies and networks. */
#ifndef GSOS_VERSION_H
#define GSOS_VERSION_H

#define GSOS_VERSION "0.1.0"

#endif
