/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/verify.h"

int main(int argc, char **argv)
{
	return vf_main(argc, argv, stdout, stderr);
}
