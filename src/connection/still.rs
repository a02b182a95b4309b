//! A connection of which nothing has come for a while, in the octets that it takes to go on with it as if it had been there all the time:
//! a third or so of what it takes while it is worked on.

use super::step::Connection;
use crate::base::Timestamp;

/// A connection, put away.
#[derive(Clone, Debug)]
pub struct Still {
    octets: Box<[u8]>,
    end: Timestamp,
}

impl Still {
    /// Puts `connection` away; none where that cannot be, which no connection is known to do.
    pub fn of(connection: &Connection) -> Option<Self> {
        let octets = postcard::to_allocvec(connection).ok()?.into_boxed_slice();
        Some(Self { octets, end: connection.end })
    }

    /// The connection as it was.
    pub fn connection(&self) -> Option<Box<Connection>> {
        postcard::from_bytes(&self.octets).ok().map(Box::new)
    }

    /// Time of its newest segment.
    pub fn end(&self) -> Timestamp {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Item;
    use crate::source::script::parse;

    const LIVES: [&str; 4] = [
        "client > SYN <mss 1460,sackOK,wscale 7>\nserver > SYN ACK <mss 1460>\nclient > ACK\nclient > data 100\n\
         +300ms client > again\nserver > ACK\nserver > data 5000\nclient > ACK\nidle 3000s\nclient > data 1\nserver > ACK\n\
         server > FIN ACK\nclient > ACK\nclient > RST ACK\n",
        "client > SYN\n+1s client > again SYN\nserver > SYN ACK\nclient > ACK\nserver > RST ACK\nserver > RST\n",
        "client > ACK\nserver > data 100\nclient > data 7\nserver > ACK\n",
        "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > ACK\nidle 200s\nserver > data 8\nclient > RST\n",
    ];

    #[test]
    fn who_stood_still_goes_on_as_if_nothing_had_been() {
        let mut largest = 0;
        for life in LIVES {
            let items = parse(life).unwrap();
            for away_at in 1..items.len() {
                let mut awake: Option<Connection> = None;
                let mut put_away: Option<Box<Connection>> = None;
                for (at, item) in items.iter().enumerate() {
                    let Item::Segment(segment) = item else { panic!("a segment") };
                    if at == away_at {
                        let still = Still::of(put_away.as_deref().unwrap()).unwrap();
                        assert_eq!(still.end(), put_away.unwrap().end);
                        largest = largest.max(still.octets.len());
                        put_away = still.connection();
                    }
                    let begun = || Connection::new(7, segment, None);
                    awake.get_or_insert_with(begun).step(segment);
                    put_away.get_or_insert_with(|| Box::new(begun())).step(segment);
                    assert_eq!(format!("{awake:?}"), format!("{:?}", put_away.as_deref()), "{life}");
                }
            }
        }
        assert!(largest < size_of::<Connection>() / 2, "{largest}");
    }
}
