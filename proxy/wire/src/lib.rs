//! SIP messages as offsets into the received bytes.
