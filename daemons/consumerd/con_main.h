/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_CONSUMERD_CON_MAIN_H
#define BG_CONSUMERD_CON_MAIN_H

int con_main(int argc, char **argv);

#endif
