/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

int main(int argc, char **argv)
{
	return bgctl_main(argc, argv, stdout, stderr);
}
