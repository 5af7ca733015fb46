/* SIGINT, SIGTERM, SIGHUP and SIGQUIT: a first one asks for a clean stop, a second SIGINT ends the
 * process at once (contract 6). */
#ifndef GSOS_SIGNALS_H
#define GSOS_SIGNALS_H

extern volatile int signals_stop; /* 0, or the signal that asked for the stop; training looks at it after every step */

void signals_install(void);
int signals_exit_code(void); /* 130 after SIGINT, 143 SIGTERM, 129 SIGHUP, 131 SIGQUIT, 0 where none came */

#endif
