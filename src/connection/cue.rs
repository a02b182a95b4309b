//! What can happen to an endpoint: the segments that it sends and receives, and its timers.

use crate::base::words;

words! {
    /// One happening, as one endpoint lives it. A segment gives its sender one cue and its receiver one or two: an ACK
    /// that acknowledges a FIN and carries one is an `AckOfFin` and then a `Fin`, in the order of RFC 9293, section
    /// 3.10.7.4 (fifth and eighth check).
    Cue {
        /// It sends a SYN without ACK.
        SendSyn = "send SYN",
        /// It sends a SYN with ACK.
        SendSynAck = "send SYN+ACK",
        /// It sends data, or acknowledges beyond the peer's SYN.
        SendData = "send data or ACK",
        /// It sends a FIN for the first time.
        SendFin = "send FIN",
        /// It sends a RST and is not heard again.
        SendRst = "send RST",
        /// A SYN without ACK arrives.
        Syn = "SYN arrives",
        /// A SYN with ACK of its own SYN arrives.
        SynAck = "SYN+ACK arrives",
        /// The acknowledgment of its SYN arrives.
        AckOfSyn = "ACK of SYN arrives",
        /// The peer's FIN arrives.
        Fin = "FIN arrives",
        /// The acknowledgment of its FIN arrives.
        AckOfFin = "ACK of FIN arrives",
        /// A RST arrives and is acceptable.
        Rst = "RST arrives",
        /// An ICMP error that its state takes as hard arrives (RFC 5927, section 4; Linux).
        IcmpError = "ICMP error arrives",
        /// It has tried long enough without an answer.
        GiveUp = "gives up",
        /// 2 MSL have passed since TIME-WAIT began or was restarted.
        TimeWaitOver = "2 MSL pass",
    }
}
