/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/doctor.h"

const struct doc_check doc_checks[] = {
	{"files", DOC_HOST, doc_ini_files, "none is wrong"},
	{"versions", DOC_HOST, doc_versions, "no daemon is installed here"},
	{"daemons", DOC_HOST, doc_daemons, "none runs here, and none has to"},
	{"sockets", DOC_HOST, doc_sockets, "only their owners and groups may command"},
	{"group", DOC_HOST, doc_group, "this user is let in"},
	{"state", DOC_HOST, doc_state_dirs, "no state is kept here"},
	{"disk", DOC_HOST, doc_disk, "no state is kept here"},
	{"descriptors", DOC_HOST, doc_descriptors, "no daemon is short of them"},
	{"clock", DOC_HOST, doc_clock, "it is synchronised"},

	{"record", DOC_SWITCH, doc_record, "there is one, and it is clear"},
	{"running", DOC_SWITCH, doc_running, "nothing is under way"},
	{"hold", DOC_SWITCH, doc_hold, "it is not held"},
	{"freeze", DOC_SWITCH, doc_freeze, "it is not frozen without an end"},
	{"reachable", DOC_SWITCH, doc_reachable, "every instance answers"},
	{"states", DOC_SWITCH, doc_states, "every instance that answers is as it should be"},
	{"one-colour", DOC_SWITCH, doc_both_active, "one colour works, and nobody is counted twice"},
	{"identity", DOC_SWITCH, doc_identity, "nobody has the identity of another"},
	{"epochs", DOC_SWITCH, doc_epochs, "those that answer are at the record's epoch"},
	{"alike", DOC_SWITCH, doc_alike, "those that answer are configured alike"},
	{"stalled", DOC_SWITCH, doc_stalled, "no partition stands still"},
	{"lag", DOC_SWITCH, doc_lag, NULL},
	{"last", DOC_SWITCH, doc_last, "the last switch ended well, or there was none"},
	{"rollback", DOC_SWITCH, doc_window, NULL},

	{"brokers", DOC_BROKER, doc_brokers, "they answer"},
	{"replicas", DOC_BROKER, doc_replicas, "every partition has its leader and its replicas"},
	{"topics", DOC_BROKER, doc_topics, NULL},
	{"held", DOC_BROKER, doc_held, NULL},
	{"commits", DOC_BROKER, doc_commits, NULL},
	{"retention", DOC_BROKER, doc_retention, "nothing was removed before it was processed"},
	{"linger", DOC_BROKER, doc_linger, NULL},
	{NULL, DOC_HOST, NULL, NULL},
};
