/* The commands of the program, one file each.  argv[0] is the command's name; the result is the exit status (contract 6). */
#ifndef GSOS_COMMANDS_H
#define GSOS_COMMANDS_H

int command_check(int argc, char **argv);
int command_run(int argc, char **argv);
int command_train(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_show(int argc, char **argv);

#endif
