//! A simulated network, virtual clock and scripted phones around sigbox-core.
