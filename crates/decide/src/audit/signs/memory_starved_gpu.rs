//! `memory-starved-gpu`: a workload takes so much host memory that the node's other GPUs are of no use.

use super::{
    Sign, Threshold,
    starved::{self, Scarce},
    strands::Why,
    words,
};

pub(super) static SIGN: Sign = Sign {
    name: "memory-starved-gpu",
    title: "A GPU workload asks for so much host memory that the node's other GPUs cannot be used",
    threshold: Some(Threshold {
        default: 1.5,
        unit: "times",
        says: "the memory of a GPU's share of its node, from which on a request is to blame",
    }),
    explain: "\
A node has free GPUs and no host memory left for a pod to use them, and it is a GPU workload on
it that has the memory: each of its GPUs asks for far more than the share of a GPU (the node's
memory over its GPUs), and without that excess another pod would fit.

Seen by: requests and allocatable, as the scheduler counts them. GPU memory does not matter
here. No metric is used.

What it costs: the free GPUs of those nodes that the usual pods of the pool could use otherwise.

Told elsewhere: where pods without GPUs have the memory, or no single excess explains the lack
(stranded-gpu).

When it is wrong: work that truly needs that much (a data set in memory, an offloaded optimiser,
a KV cache in host memory). Then a node type with more memory a GPU is cheaper than idle GPUs.

To mend it: lower the request to what is used, or to the share. A model server needs host memory
for its weights only while it loads, and less than their size where it maps the file.",
    find: |view| {
        let scarce = Scarce {
            resource: "memory",
            why: Why::Memory,
            ask: |shape| shape.memory.0,
            amount: |bytes| format!("{} of memory", words::gib(bytes as f64)),
            quantity: |bytes| format!("{}Mi", bytes >> 20),
        };
        starved::find(view, &SIGN, scarce)
    },
};
