/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/prod.h"

int main(int argc, char **argv)
{
	return prod_main(argc, argv);
}
