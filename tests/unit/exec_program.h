/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_TESTS_EXEC_PROGRAM_H
#define BG_TESTS_EXEC_PROGRAM_H

/* `test_exec_handler child MODE [MORE]`. */
int exec_program(int argc, char **argv);

#endif
