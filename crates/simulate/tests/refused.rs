//! What is wrong in a file is refused with file, line, value and what was expected.
#![allow(clippy::unwrap_used)]

use plimsoll_simulate::openb::{Cluster, Workload, parse_orders};

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,32768,1,T4\nn0,64000,262144,8,G2\n";
const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time\np0,4000,1024,1,500,,5\np1,1000,512,0,0,,7\n";

fn nodes(text: &str) -> Result<Cluster, String> {
    Cluster::parse(text, "nodes.csv").map_err(|error| error.to_string())
}

fn pods(text: &str) -> Result<Workload, String> {
    Workload::parse(text, "pods.csv", &nodes(NODES)?).map_err(|error| error.to_string())
}

fn orders(text: &str) -> Result<usize, String> {
    parse_orders(text, "orders.txt", &nodes(NODES)?, &pods(PODS)?).map(|orders| orders.len()).map_err(|error| error.to_string())
}

fn says(result: Result<impl std::fmt::Debug, String>, words: &[&str]) {
    let message = result.unwrap_err();
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

#[test]
fn what_is_right_is_read() {
    assert_eq!(nodes(NODES).unwrap().total_milli(), 9000);
    assert_eq!(pods(PODS).unwrap().pods.len(), 2);
    assert_eq!(orders("42;0,1,1;1,0\n7;1;0,1\n"), Ok(2));
}

#[test]
fn tables() {
    says(nodes("sn,cpu_milli,memory_mib,model\nn,1,1,T4\n"), &["nodes.csv line 1", "`gpu`", "cpu_milli"]);
    says(nodes("sn,cpu_milli,memory_mib,gpu,model\nn,8000,1,2\n"), &["nodes.csv line 2", "4 fields", "5"]);
    says(nodes("sn,cpu_milli,memory_mib,gpu,model\nn,8000,1,99,T4\n"), &["nodes.csv line 2", "gpu is `99`", "0 to 16"]);
    says(nodes("sn,cpu_milli,memory_mib,gpu,model\n"), &["nodes.csv", "no line of nodes"]);
    says(nodes(&format!("{NODES}n0,8000,1,1,T4\n")), &["line 4", "`n0`", "no other node"]);
    says(pods(&PODS.replace(",7", ",-7")), &["pods.csv line 3", "creation_time is `-7`", "0 or more"]);
    says(pods(&PODS.replace("4000", "soon")), &["pods.csv line 2", "cpu_milli is `soon`", "a whole number"]);
    says(pods(&PODS.replace("500,,", "500,Z9,")), &["pods.csv line 2", "gpu_spec is `Z9`", "a model of a node"]);
    says(pods(&PODS.replace("4000,1024,1", "4000,1024,9")), &["pods.csv line 2", "9 whole GPUs", "some empty node"]);
    says(pods(&PODS.replace("1000,512", "65000,512")), &["pods.csv line 3", "65000 m CPU", "some empty node"]);
}

#[test]
fn wrong_orders() {
    says(orders("42;0,2;0,1\n"), &["orders.txt line 1", "`2`", "0 to 1"]);
    says(orders("42;0,1\n"), &["orders.txt line 1", "three parts"]);
    says(orders("42;0,1;0\n"), &["orders.txt line 1", "number of ranks is `1`", "2"]);
    says(orders("42;0;5,5\n"), &["orders.txt line 1", "`5`", "no other node"]);
    says(orders("42;0;0,1\n42;1;0,1\n"), &["orders.txt line 2", "`42`", "no line before"]);
    says(orders("x;0;0,1\n"), &["orders.txt line 1", "`x`", "whole number"]);
    says(orders("\n"), &["orders.txt", "no line of orders"]);
}
