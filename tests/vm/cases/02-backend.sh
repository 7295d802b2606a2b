#!/bin/bash
# The Linux backend alone, without a daemon: an SSD goes through its whole life cycle, with I/O by hand, forged admin
# commands and completions, a holder that does not let go, a reset PF and an SSD that is taken away. What it pins down:
#  - a function-level reset (each open and close has one) changes neither attachments nor the online state;
#  - a reset of the PF takes every VF offline, and their controllers say CSTS.CFS;
#  - a direct write into the admin SQ by DMA has no effect, because it is mapped for device reads only.
# timeout: 120
modprobe vfio-pci
hw-exercise HOMI0 2
equal 'oopses' 0 "$(kernel_log 'BUG:\|Oops')"
