//! Zeek's one-word state of a connection, by the definitions of its conn.log documentation.

use crate::base::Side;
use crate::connection::Connection;

/// `conn_state`.
pub(super) fn conn_state(connection: &Connection) -> &'static str {
    let (client, server) = (&connection.halves.client, &connection.halves.server);
    let first_reset = connection.resets.first().map(|seen| seen.noted.side);
    let client_syn = client.syns + client.syn_acks > 0;
    let server_syn = server.syns + server.syn_acks > 0;
    match (client_syn, server_syn) {
        (true, false) => match first_reset {
            Some(Side::Server) => "REJ",
            Some(Side::Client) => "RSTOS0",
            None if client.fins > 0 => "SH",
            None => "S0",
        },
        (false, true) => match first_reset {
            Some(Side::Server) => "RSTRH",
            _ if server.fins > 0 => "SHR",
            _ => "OTH",
        },
        (false, false) => "OTH",
        (true, true) => match (first_reset, client.fins > 0, server.fins > 0) {
            (Some(Side::Client), _, _) => "RSTO",
            (Some(Side::Server), _, _) => "RSTR",
            (None, true, true) => "SF",
            (None, true, false) => "S2",
            (None, false, true) => "S3",
            (None, false, false) => "S1",
        },
    }
}
