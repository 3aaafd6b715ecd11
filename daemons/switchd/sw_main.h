/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SW_MAIN_H
#define SW_MAIN_H

int sw_main(int argc, char **argv); /* the exit status */

#endif
