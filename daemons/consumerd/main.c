/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/con_main.h"

int main(int argc, char **argv)
{
	return con_main(argc, argv);
}
