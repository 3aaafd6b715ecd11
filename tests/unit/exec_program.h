/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_TESTS_EXEC_PROGRAM_H
#define BG_TESTS_EXEC_PROGRAM_H

/* `PROGRAM child MODE [MORE]`, of the tests over exec_world.h. */
int exec_program(int argc, char **argv);

#endif
