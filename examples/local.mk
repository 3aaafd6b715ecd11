# SPDX-License-Identifier: Apache-2.0
# Programs for handler exec, one folder a language as in the tree.
pythonexamplesdir = $(examplesdir)/python
nodeexamplesdir = $(examplesdir)/node
shellexamplesdir = $(examplesdir)/shell
dist_examples_DATA += examples/README.md
dist_pythonexamples_SCRIPTS = examples/python/consumer.py
dist_nodeexamples_SCRIPTS = examples/node/consumer.js
dist_shellexamples_SCRIPTS = examples/shell/consumer.sh
