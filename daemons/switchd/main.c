/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/sw_main.h"

int main(int argc, char **argv)
{
	return sw_main(argc, argv);
}
