/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_VERIFY_VERIFY_H
#define BG_VERIFY_VERIFY_H

#include <stdio.h>

/* The whole program; the report goes to out, complaints to errs. Returns the exit status. */
int vf_main(int argc, char **argv, FILE *out, FILE *errs);

#endif
